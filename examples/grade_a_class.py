"""A folder of homework graded: a page for each student, a table, and results for Gradescope.

python examples/grade_a_class.py    # makes a small class in class_of_three/, then grades it

Each step is one command of the terminal, printed before it runs.
"""

import shlex
from pathlib import Path

from tinygrad_dnn.cli.main import main as tinygrad_dnn

HOMEWORK = Path(__file__).with_name("homework.py").read_text(encoding="utf-8")
FORGOTTEN = "np.dot(dZ, A_prev.T)"
POINTS = """\
# What is asked for in week 4
linear_forward = 1
relu_backward = 1
linear_backward = 3  # its three results count alike with --partial
"""


def make(folder):
    """Three students' files, as a course's platform calls them: name_number_homework.py."""
    (folder / "submissions").mkdir(parents=True, exist_ok=True)
    right = HOMEWORK.replace(FORGOTTEN, f"{FORGOTTEN} / m").replace(">= 0", "> 0")
    files = {"ann_1207": right, "ben_1208": HOMEWORK, "cy_1209": right.replace("/ m\n", "\n")}
    for name, text in files.items():
        path = folder / "submissions" / f"{name}_homework.py"
        path.write_text(text, encoding="utf-8")
    (folder / "points.txt").write_text(POINTS, encoding="utf-8")


def run(command):
    """Print the command as it is typed, and run it; its exit status."""
    print(f"$ {command}")
    status = tinygrad_dnn(shlex.split(command)[1:])
    print()
    return status


def main(folder="class_of_three"):
    folder = Path(folder)
    make(folder)
    f = shlex.quote(str(folder))
    asked = "--require linear_forward,relu_backward,linear_backward"
    # The class: pages/index.html is the teacher's, pages/1207.html Ann's.
    statuses = [
        run(
            f"tinygrad-dnn check {f}/submissions {asked} --points {f}/points.txt --partial "
            f"--student-id '_(\\d+)_' --jobs 2 --pages {f}/pages --csv {f}/grades.csv"
        ),
        # One submission, as Gradescope's run_autograder does it.
        run(
            f"tinygrad-dnn check {f}/submissions/ben_1208_homework.py {asked} --partial "
            f"--points {f}/points.txt --gradescope {f}/results.json --visibility after_due_date"
        ),
        # What is uploaded so that Gradescope does it for every submission.
        run(
            f"tinygrad-dnn check --gradescope-setup {f}/autograder.zip {asked} --partial "
            f"--points {f}/points.txt"
        ),
    ]
    print((folder / "grades.csv").read_text(encoding="utf-8"))
    return statuses


if __name__ == "__main__":
    main()

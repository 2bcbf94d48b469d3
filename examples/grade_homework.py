"""Hand-written functions graded in a test-suite: a test for each of the document's functions.

pytest examples/grade_homework.py                        # the document's own functions
HOMEWORK=homework.py pytest examples/grade_homework.py   # yours: .py or .ipynb
"""

import os
import sys

import pytest

from tinygrad_dnn import textbook
from tinygrad_dnn.grading import grade

GRADES = grade(os.environ.get("HOMEWORK") or textbook)


def test_there_is_something_to_grade():
    assert GRADES.present, GRADES.summary


@pytest.mark.parametrize("function", GRADES.present, ids=lambda function: function.name)
def test_function(function):
    words = "\n".join(function.words)
    assert function.status == "right", f"{words}\n\n{function.example or ''}"


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q", *sys.argv[1:]]))

"""Exit statuses: done, the answer is no (diverged, gradients disagree), unusable input, Ctrl-C.

What another signal stopped ends with 128 + its number, as in a shell; see `signals`.
"""

DONE, NO, UNUSABLE, INTERRUPTED = 0, 1, 2, 130

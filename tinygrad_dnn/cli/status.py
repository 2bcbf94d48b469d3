"""Exit statuses: done, the answer is no (diverged, gradients disagree), unusable input, Ctrl-C."""

DONE, NO, UNUSABLE, INTERRUPTED = 0, 1, 2, 130

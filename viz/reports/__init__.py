"""Pages that report on a training run and on graded homework."""

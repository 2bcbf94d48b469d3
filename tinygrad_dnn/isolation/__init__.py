"""A student's file in a process of its own: started, asked, ended; its answers are data, never run.

Nothing in this package may import the engine: the process that runs a student's code holds no
right answers.
"""

"""The commands. Thin: a client command asks the running node over its unix socket and prints what it answers.

Start-up time is a feature (detectors call this in storms): modules here import click and each other, and everything
heavier where it is used. Data goes to stdout, talk to stderr; exit codes are part of the contract (exits.py).
"""

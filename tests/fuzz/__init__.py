"""Hostile input for every parser: drawn by hypothesis in the tests, grown by atheris on request.

python -m tests.fuzz                      # lists the targets
python -m tests.fuzz manifest --seconds 300
"""

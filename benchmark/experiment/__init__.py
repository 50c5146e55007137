"""The experiment: does a model trained on trees adapt to its user while it talks?

Users whose wishes a program can check give the question an exact answer, on two CPU cores as well
as on a GPU machine. Nothing here is a second way of doing something: trees grow by `graphs`; rows,
training and benchmark are commands of the program, run as a user would run them (`steps`, in the
order of `pipeline`). What this package adds is what only an experiment needs: people whose
combinations of wishes are kept apart (`people`), players that are rules (`players`), the same rows
damaged on purpose (`rows`), stages that are found again by content (`stage`), and a report that no
hand has touched (`report`).
"""

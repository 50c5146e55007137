"""Cases of other projects' benchmarks: a file a benchmark, and one that knows them all.

Each yields what a `Case` is made of. What was said in the past goes before the dialogue as it is,
and what is asked now is a message that no model writes, so nobody plays the user.
"""

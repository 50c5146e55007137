"""Calls to models: the log, the budget, the forecast, the replay."""

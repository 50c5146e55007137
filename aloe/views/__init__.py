"""Pictures of runs, trees and calls for a terminal: everything that verbs show and do not do."""

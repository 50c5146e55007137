"""Pictures of runs, trees and calls for a terminal: everything that commands show and do not do."""

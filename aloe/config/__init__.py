"""Settings: one object for all commands, read from TOML, saved resolved into the run folder.

Every knob has a default that works with nothing but the installed packages. A file may set any
part of it; flags win over the file. The resolved settings are written to `config.toml` in the run
folder, so that a run can be repeated, compared and resumed; a later run into the same folder must
agree with them, except for what cannot change a tree (`aloe.config.differences`).

Secrets have no place here: settings hold the *name* of the environment variable with the key.

Each section is in the file of its name; all are exported here.
"""

from aloe.config.benchmark import BenchmarkConfig, Condition
from aloe.config.config import Config, Size
from aloe.config.differences import differences, find_differing, shaping
from aloe.config.experiment import ExperimentConfig
from aloe.config.judge import MIN_MASS, Criterion, JudgeConfig, Schedule
from aloe.config.limits import LimitsConfig
from aloe.config.loading import load, read_stored, save, spread
from aloe.config.local import LocalConfig
from aloe.config.model_change import change_model, find_models
from aloe.config.models import DEFAULT_MODEL, PAID, AssistantConfig, ModelConfig, ModelsConfig
from aloe.config.own_models import given_for, names_model, with_model_beside
from aloe.config.personas import PersonasConfig
from aloe.config.roles import Place, RoleConfig, place_of
from aloe.config.settings import COMMAND_LINE, Settings, find_setting, validate
from aloe.config.simulation import EXPANSION_NAMES, Mood, RolloutConfig, SimulationConfig
from aloe.config.spending import BudgetConfig, Price
from aloe.config.telemetry import TelemetryConfig
from aloe.config.training import LENGTHS, TrainingConfig, without_length
from aloe.config.user import Disclosing, Phrases, UserConfig

__all__ = [
    "COMMAND_LINE",
    "DEFAULT_MODEL",
    "EXPANSION_NAMES",
    "LENGTHS",
    "MIN_MASS",
    "PAID",
    "AssistantConfig",
    "BenchmarkConfig",
    "BudgetConfig",
    "Condition",
    "Config",
    "Criterion",
    "Disclosing",
    "ExperimentConfig",
    "JudgeConfig",
    "LimitsConfig",
    "LocalConfig",
    "ModelConfig",
    "ModelsConfig",
    "Mood",
    "PersonasConfig",
    "Phrases",
    "Place",
    "Price",
    "RoleConfig",
    "RolloutConfig",
    "Schedule",
    "Settings",
    "SimulationConfig",
    "Size",
    "TelemetryConfig",
    "TrainingConfig",
    "UserConfig",
    "change_model",
    "differences",
    "find_differing",
    "find_models",
    "find_setting",
    "given_for",
    "load",
    "names_model",
    "place_of",
    "read_stored",
    "save",
    "shaping",
    "spread",
    "validate",
    "with_model_beside",
    "without_length",
]

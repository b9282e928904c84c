"""The expression language of Mixer's configuration: its grammar, its types and the attributes of every mesh.

Evaluating is Mixer's affair; this much is what Galley and Mixer must agree on.
"""

from flotilla_shared.model.expressions.checker import check
from flotilla_shared.model.expressions.errors import ExpressionError
from flotilla_shared.model.expressions.functions import FUNCTIONS
from flotilla_shared.model.expressions.literals import parse_duration
from flotilla_shared.model.expressions.parser import parse
from flotilla_shared.model.expressions.tree import Call, Constant, Expression, Variable
from flotilla_shared.model.expressions.values import Duration, Timestamp, ValueType
from flotilla_shared.model.expressions.vocabulary import VOCABULARY

__all__ = [
    "FUNCTIONS",
    "VOCABULARY",
    "Call",
    "Constant",
    "Duration",
    "Expression",
    "ExpressionError",
    "Timestamp",
    "ValueType",
    "Variable",
    "check",
    "parse",
    "parse_duration",
]

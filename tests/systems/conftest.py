from tests.whole_system import lecture as lecture
from tests.whole_system import system as system

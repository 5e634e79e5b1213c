"""What the console commands do; ``train`` is `genrefusion.commands.train.run`, and so on.

Schemas and resolvers are registered here, because a process that a launcher starts for one run imports a module of this
package and calls no command. Whoever composes settings to look at them names folders; a command that begins takes them
(`genrefusion.commands.start`).
"""

import contextlib

from genrefusion.core.errors import UserError
from genrefusion.settings.composing import register

with contextlib.suppress(UserError):  # of a plug-in: the command that begins says so
    register()

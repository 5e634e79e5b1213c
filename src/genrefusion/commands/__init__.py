"""What the console commands do; ``train`` is `genrefusion.commands.train.run`, and so on.

Schemas and resolvers are registered here, because a process that a launcher starts for one run imports a module of this
package and calls no command. Whoever composes settings to look at them names folders; a command that begins takes them
(`genrefusion.commands.start`).
"""

from genrefusion.settings.composing import register

register()

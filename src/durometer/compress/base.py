"""What a compression is: a frozen configuration, applied by one verb to a victim, giving a victim.

``compress(victim, recipe, data)`` applies a list of configurations in order. The result saves to a folder
that loads without the code that made it (safetensors + ``recipe.json``).
"""

from __future__ import annotations

from durometer.registry import Registry

COMPRESSIONS: Registry[object] = Registry("compression", {})

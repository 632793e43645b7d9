"""Commands that tell what was not recorded: `plan` a layout, `time` a collective."""

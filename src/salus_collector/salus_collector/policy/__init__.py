"""Policies behind one interface (`base.Policy`): the scripted expert, and SmolVLA."""

"""The Train tab: the pages of feedback training over the tasks of one folder."""

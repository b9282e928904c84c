"""docs/reference/mixer: a page for each adapter, template and attribute of Mixer, made from its code."""

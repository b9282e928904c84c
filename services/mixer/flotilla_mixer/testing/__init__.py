"""What tests of Mixer, here and elsewhere, are made with."""

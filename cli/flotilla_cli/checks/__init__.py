"""What is looked at before anything is started, each with the sentence that a user gets when it is wrong."""

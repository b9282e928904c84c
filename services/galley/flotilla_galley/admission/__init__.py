"""The API server's question before an object is stored: may it be? Answered by the same validation as the sources'."""

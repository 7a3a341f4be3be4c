"""The nodes of prediction and supervision; they only wire."""

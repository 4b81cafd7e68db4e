"""What a node has besides: mailboxes, the signer, and Postfix."""

"""JSON documents to columns: one strict decoder, generated from the contract, decides."""

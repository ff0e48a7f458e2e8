package invariants

// Poisoned is the byte that poisoned memory is full of.
const Poisoned = 0xdb

//! A DynamoDB emulator on loopback, and a table of its own for each test.

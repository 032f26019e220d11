//! A throwaway PostgreSQL cluster, and a database of its own for each test.

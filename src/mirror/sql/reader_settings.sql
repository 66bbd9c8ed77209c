-- Beside those that every session of eider has: no row is hidden from a mirror, values print as in the log, and a
-- migration that holds a table is not waited for.
SET LOCAL row_security = off; SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'; SET LOCAL lock_timeout = '3s'

-- The numbers in its JSON are doubles, which a database's or role's extra_float_digits rounds to one digit where it likes to.
ALTER FUNCTION lethe.progress_of(uuid) SET extra_float_digits = 1;

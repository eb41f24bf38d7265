# ruff: noqa: E501  a message is one line
"""
The fixed words of messages that Python itself and the databases write.

They are written in C, or by a server, so no source file has them; a few of Django's are
put together piece by piece. Each gap says what
stands there: ``{type}``, ``{name}`` and ``{function}`` are checked, ``{count}`` is a
number of things in the code, ``{any}`` may be whatever is known, ``{value}`` is never
shown.
"""

from __future__ import annotations

import dataclasses
import re

#: What may stand in a gap that is neither checked as a name nor hidden.
OPERATORS = frozenset(
    {
        *("+", "-", "*", "/", "//", "%", "@", "<", ">", "<=", ">=", "|", "&", "^"),
        *("<<", ">>", "**", "** or pow()", "divmod()", "~", "unary -", "unary +"),
        *("+=", "-=", "*=", "/=", "//=", "%=", "|=", "&=", "^=", "in", "unary ~"),
    }
)

_PYTHON = """
'{operator}' not supported between instances of '{type}' and '{type}'
unsupported operand type(s) for {operator}: '{type}' and '{type}'
unsupported operand type(s) for {operator}: '{type}' and '{type}'. Did you mean {any}?
bad operand type for {operator}: '{type}'
bad operand type for abs(): '{type}'
can only concatenate {type} (not "{type}") to {type}
can't multiply sequence by non-int of type '{type}'
'{type}' object has no attribute '{name}'
'{type}' object has no attribute '{name}'. Did you mean: '{name}'?
'{type}' object has no attribute '{name}' and no __dict__ for setting new attributes
'{type}' object attribute '{name}' is read-only
type object '{type}' has no attribute '{name}'
type object '{type}' has no attribute '{name}'. Did you mean: '{name}'?
module '{name}' has no attribute '{name}'
module '{name}' has no attribute '{name}'. Did you mean: '{name}'?
partially initialized module '{name}' has no attribute '{name}' ({value})
property '{name}' of '{type}' object has no setter
property '{name}' of '{type}' object has no getter
can't set attribute '{name}'
'{type}' object is not subscriptable
'{type}' object is not iterable
'{type}' object is not callable
'{type}' object is not an iterator
'{type}' object is not reversible
'{type}' object is not a mapping
'{type}' object does not support item assignment
'{type}' object does not support item deletion
'{type}' object does not support the context manager protocol
'{type}' object does not support the asynchronous context manager protocol
'{type}' object can't be awaited
object {type} can't be used in 'await' expression
'{type}' object cannot be interpreted as an integer
type '{type}' is not subscriptable
cannot convert '{type}' object to bytes
cannot unpack non-iterable {type} object
cannot use '{type}' as a dict key (unhashable type: '{type}')
cannot use '{type}' as a set element (unhashable type: '{type}')
argument of type '{type}' is not iterable
argument of type '{type}' is not a container or iterable
object of type '{type}' has no len()
unhashable type: '{type}'
Object of type {type} is not JSON serializable
keys must be str, int, float, bool or None, not {type}
Circular reference detected
string indices must be integers
string indices must be integers, not '{type}'

list indices must be integers or slices, not {type}
tuple indices must be integers or slices, not {type}
byte indices must be integers or slices, not {type}
slice indices must be integers or None or have an __index__ method
list index out of range
list assignment index out of range
tuple index out of range
string index out of range
index out of range
pop from empty list
pop from an empty deque
pop from an empty set
pop index out of range
'pop from an empty set'
'popitem(): dictionary is empty'
list.remove(x): x not in list
list.index(x): x not in list
tuple.index(x): x not in tuple
{value} is not in list
substring not found
subsection not found
empty separator
max() arg is an empty sequence
min() arg is an empty sequence
max() iterable argument is empty
min() iterable argument is empty
range() arg 3 must not be zero
slice step cannot be zero
not enough values to unpack (expected {count}, got {count})
not enough values to unpack (expected at least {count}, got {count})
too many values to unpack (expected {count})
too many values to unpack (expected {count}, got {count})
dictionary update sequence element #{count} has length {count}; {count} is required
dictionary changed size during iteration
dictionary keys changed during iteration
Set changed size during iteration
deque mutated during iteration
{function}() missing {count} required positional argument: {any}
{function}() missing {count} required positional arguments: {any}
{function}() missing {count} required keyword-only argument: {any}
{function}() missing {count} required keyword-only arguments: {any}
{function}() missing required argument '{name}' (pos {count})
{function}() takes no arguments
{function}() takes no arguments ({count} given)
{function}() takes no keyword arguments
{function}() takes exactly one argument ({count} given)
{function}() takes {count} positional argument but {count} were given
{function}() takes {count} positional arguments but {count} was given
{function}() takes {count} positional arguments but {count} were given
{function}() takes from {count} to {count} positional arguments but {count} were given
{function}() got an unexpected keyword argument '{name}'
{function}() got an unexpected keyword argument '{name}'. Did you mean '{name}'?
{function}() got unexpected keyword arguments: {any}
{function}() got multiple values for argument '{name}'
{function}() got multiple values for keyword argument '{name}'
{function}() got some positional-only arguments passed as keyword arguments: {any}
{function}() argument after ** must be a mapping, not {type}
{function}() argument after * must be an iterable, not {type}
{function} expected {count} argument, got {count}
{function} expected {count} arguments, got {count}
{function} expected at least {count} argument, got {count}
{function} expected at least {count} arguments, got {count}
{function} expected at most {count} argument, got {count}
{function} expected at most {count} arguments, got {count}
{function}() argument {count} must be {any}, not {type}
{function}() argument '{name}' must be {any}, not {type}
{function}() argument must be {any}, not {type}
{function}() argument must be a string, a bytes-like object or a real number, not '{type}'
{function}() argument must be a string or a real number, not '{type}'
{function}() first argument must be a string or a number, not '{type}'
{function}() arg {count} must be {any}
{function}() keywords must be strings
keywords must be strings
{type}() takes no arguments
type {type} doesn't define __round__ method
isinstance() arg 2 must be a type, a tuple of types, or a union
issubclass() arg 1 must be a class
issubclass() arg 2 must be a class, a tuple of classes, or a union
super(type, obj): obj must be an instance or subtype of type
exceptions must derive from BaseException
catching classes that do not inherit from BaseException is not allowed
metaclass conflict: {any}
Can't instantiate abstract class {type} with abstract method {name}
Can't instantiate abstract class {type} with abstract methods {any}
Can't instantiate abstract class {type} without an implementation for abstract method '{name}'
Can't instantiate abstract class {type} without an implementation for abstract methods {any}
can't compare offset-naive and offset-aware datetimes
can't subtract offset-naive and offset-aware datetimes
can't compare offset-naive and offset-aware times
can't compare {type} to {type}
invalid literal for int() with base {count}: {value}
could not convert string to float: {value}
could not convert string to complex: {value}
complex() arg is a malformed string
cannot convert float NaN to integer
cannot convert float infinity to integer
float NaN
int too large to convert to float
Python int too large to convert to C long
Python int too large to convert to C int
Python int too large to convert to SQLite INTEGER
Exceeds the limit ({count} digits) for integer string conversion
Exceeds the limit ({count} digits) for integer string conversion: value has {value} digits; use sys.set_int_max_str_digits() to increase the limit
math domain error
math range error
expected a positive input
expected a nonnegative input, got {value}
division by zero
integer division or modulo by zero
integer modulo by zero
float division by zero
float modulo
modulo by zero
float floor division by zero
float divmod()
decimal division by zero
complex division by zero
division by zero: {value}
[<class 'decimal.{type}'>]
[<class 'decimal.{type}'>, <class 'decimal.{type}'>]
negative shift count
byte must be in range(0, 256)
bytes must be in range(0, 256)
a bytes-like object is required, not '{type}'
a real number is required, not '{type}'
must be real number, not {type}
must be str, not {type}
must be str or None, not {type}
an integer is required
an integer is required (got type {type})
expected string or bytes-like object
expected string or bytes-like object, got '{type}'
expected str instance, {type} found
sequence item {count}: expected str instance, {type} found
sequence item {count}: expected a bytes-like object, {type} found
expected str, bytes or os.PathLike object, not {type}
stat: path should be string, bytes, os.PathLike or integer, not {type}
write() argument must be str, not {type}
decoding str is not supported
decoding to str: need a bytes-like object, {type} found
encoding without a string argument
string argument without an encoding
cannot use a string pattern on a bytes-like object
cannot use a bytes pattern on a string-like object
embedded null byte
embedded null character
'{codec}' codec can't decode byte {value} in position {value}: invalid start byte
'{codec}' codec can't decode byte {value} in position {value}: invalid continuation byte
'{codec}' codec can't decode byte {value} in position {value}: unexpected end of data
'{codec}' codec can't decode byte {value} in position {value}: ordinal not in range(128)
'{codec}' codec can't decode byte {value} in position {value}: character maps to <undefined>
'{codec}' codec can't decode bytes in position {value}: {any}
'{codec}' codec can't encode character {value} in position {value}: ordinal not in range(128)
'{codec}' codec can't encode character {value} in position {value}: ordinal not in range(256)
'{codec}' codec can't encode character {value} in position {value}: surrogates not allowed
'{codec}' codec can't encode character {value} in position {value}: character maps to <undefined>
'{codec}' codec can't encode characters in position {value}: {any}
unknown encoding: {any}
not all arguments converted during string formatting
not enough arguments for format string
format requires a mapping
unsupported format character {value}
unsupported format string passed to {type}.__format__
incomplete format
Invalid format specifier {value} for object of type '{type}'
Unknown format code '{value}' for object of type '{type}'
Replacement index {count} out of range for positional args tuple
%d format: a real number is required, not {type}
%i format: a real number is required, not {type}
%x format: an integer is required, not {type}
%c requires int or char
cannot switch from manual field specification to automatic field numbering
name '{name}' is not defined
name '{name}' is not defined. Did you mean: '{name}'?
name '{name}' is not defined. Did you forget to import '{name}'?
local variable '{name}' referenced before assignment
cannot access local variable '{name}' where it is not associated with a value
cannot access free variable '{name}' where it is not associated with a value in enclosing scope
free variable '{name}' referenced before assignment in enclosing scope
No module named '{name}'
No module named '{name}'; '{name}' is not a package
cannot import name '{name}' from '{name}' ({value})
cannot import name '{name}' from '{name}' (unknown location)
cannot import name '{name}' from '{name}' ({value}). Did you mean: '{name}'?
cannot import name '{name}' from partially initialized module '{name}' (most likely due to a circular import) ({value})
attempted relative import with no known parent package
attempted relative import beyond top-level package
maximum recursion depth exceeded
maximum recursion depth exceeded in comparison
maximum recursion depth exceeded while calling a Python object
maximum recursion depth exceeded while getting the repr of an object
maximum recursion depth exceeded while encoding a JSON object
maximum recursion depth exceeded in __instancecheck__
generator raised StopIteration
coroutine raised StopIteration
generator already executing
cannot reuse already awaited coroutine
asyncio.run() cannot be called from a running event loop
There is no current event loop in thread {value}.
no running event loop
Event loop is closed
can't start new thread
release unlocked lock
I/O operation on closed file.
I/O operation on closed file
not readable
not writable
read of closed file
write to closed file
readline of closed file
year {value} is out of range
month must be in 1..12
month must be in 1..12, not {value}
day is out of range for month
day {value} must be in range 1..{value} for month {value} in year {value}
hour must be in 0..23
hour must be in 0..23, not {value}
minute must be in 0..59
minute must be in 0..59, not {value}
second must be in 0..59
second must be in 0..59, not {value}
date value out of range
days={value}; must have magnitude <= 999999999
time data {value} does not match format {any}
unconverted data remains: {value}
Invalid isoformat string: {value}
fromisoformat: argument must be str
timestamp out of range for platform time_t
tzinfo argument must be None or of a tzinfo subclass, not type '{type}'
badly formed hexadecimal UUID string
one of the hex, bytes, bytes_le, fields, or int arguments must be given
bytes is not a 16-char string
Expecting value: line {value} column {value} (char {value})
Extra data: line {value} column {value} (char {value})
Expecting ',' delimiter: line {value} column {value} (char {value})
Expecting ':' delimiter: line {value} column {value} (char {value})
Expecting property name enclosed in double quotes: line {value} column {value} (char {value})
Illegal trailing comma before end of object: line {value} column {value} (char {value})
Illegal trailing comma before end of array: line {value} column {value} (char {value})
Unterminated string starting at: line {value} column {value} (char {value})
Invalid control character at: line {value} column {value} (char {value})
Invalid \\escape: line {value} column {value} (char {value})
the JSON object must be str, bytes or bytearray, not {type}
Incorrect padding
Non-hexadecimal digit found
Non-base32 digit found
Odd-length string
Invalid base64-encoded string: number of data characters ({value}) cannot be 1 more than a multiple of 4
non-hexadecimal number found in fromhex() arg at position {value}
iterator should return strings, not bytes (the file should be opened in text mode)
line contains NUL
new-line character seen in unquoted field - do you need to open the file with newline=''?
field larger than field limit ({value})
unexpected end of data
dict contains fields not in fieldnames: {any}
Error -{count} while decompressing data: {any}
File is not a zip file
Not a gzipped file ({value})
There is no item named {value} in the archive
[Errno {count}] No such file or directory: {value}
[Errno {count}] No such file or directory
[Errno {count}] Permission denied: {value}
[Errno {count}] Permission denied
[Errno {count}] File exists: {value}
[Errno {count}] Is a directory: {value}
[Errno {count}] Not a directory: {value}
[Errno {count}] File name too long: {value}
[Errno {count}] Directory not empty: {value}
[Errno {count}] Read-only file system: {value}
[Errno {count}] No space left on device: {value}
[Errno {count}] No space left on device
[Errno {count}] Too many open files: {value}
[Errno {count}] Too many open files
[Errno {count}] Cannot allocate memory
[Errno {count}] Connection refused
[Errno {count}] Connection reset by peer
[Errno {count}] Connection timed out
[Errno {count}] Broken pipe
[Errno {count}] Network is unreachable
[Errno {count}] No route to host
[Errno {count}] Address already in use
[Errno {count}] Name or service not known
[Errno -{count}] Name or service not known
[Errno -{count}] Temporary failure in name resolution
[Errno -{count}] No address associated with hostname
[Errno {count}] Input/output error
[Errno {count}] Bad file descriptor
[Errno {count}] Resource temporarily unavailable
timed out
The read operation timed out
The handshake operation timed out
Remote end closed connection without response
<urlopen error {any}>
HTTP Error {count}: {any}
[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {any} (_ssl.c:{count})
{value} is not a valid {type}
{value} has no attribute '{name}'
dataclass field {any} must be specified
cannot assign to field '{name}'
cannot delete field '{name}'
mappingproxy() argument must be a mapping, not {type}
type object argument after * must be an iterable, not {type}
Reverse for '{any}' with arguments '{any}' not found. {count} pattern(s) tried: {any}
Reverse for '{any}' with keyword arguments '{any}' not found. {count} pattern(s) tried: {any}
Reverse for '{any}' with no arguments not found. {count} pattern(s) tried: {any}
Invalid HTTP_HOST header: {value}. You may need to add {value} to ALLOWED_HOSTS.
Invalid HTTP_HOST header: {value}. The domain name provided is not valid according to RFC 1034/1035.
get() returned more than one {type} -- it returned {count}!
get() returned more than one {type} -- it returned more than {count}!
"""

_DATABASES = """
NOT NULL constraint failed: {columns}
UNIQUE constraint failed: {columns}
UNIQUE constraint failed: index '{name}'
CHECK constraint failed: {name}
FOREIGN KEY constraint failed
datatype mismatch
no such table: {columns}
no such column: {columns}
no such function: {name}
no such index: {name}
no such savepoint: {name}
no such collation sequence: {name}
table {columns} has no column named {name}
table {name} already exists
table "{name}" already exists
index {name} already exists
duplicate column name: {name}
ambiguous column name: {columns}
near "{value}": syntax error
incomplete input
database is locked
database table is locked
database table is locked: {name}
database schema is locked: {name}
database disk image is malformed
disk I/O error
database or disk is full
unable to open database file
attempt to write a readonly database
cannot start a transaction within a transaction
cannot commit - no transaction is active
cannot rollback - no transaction is active
too many SQL variables
too many terms in compound SELECT
too many columns on {name}
string or blob too big
interrupted
integer overflow
user-defined function raised exception
wrong number of arguments to function {name}()
Incorrect number of bindings supplied. The current statement uses {count}, and there are {count} supplied.
Error binding parameter {count}: type '{type}' is not supported
Error binding parameter {count} - probably unsupported type.
Recursive use of cursors not allowed.
Cannot operate on a closed database.
SQLite objects created in a thread can only be used in that same thread. The object was created in thread id {value} and this is thread id {value}.
malformed JSON
Expression tree is too large (maximum depth {count})
LIKE or GLOB pattern too complex
You can only execute one statement at a time.
null value in column "{name}" of relation "{name}" violates not-null constraint
null value in column "{name}" violates not-null constraint
duplicate key value violates unique constraint "{name}"
insert or update on table "{name}" violates foreign key constraint "{name}"
update or delete on table "{name}" violates foreign key constraint "{name}" on table "{name}"
new row for relation "{name}" violates check constraint "{name}"
conflicting key value violates exclusion constraint "{name}"
value too long for type character varying({count})
value too long for type character({count})
relation "{columns}" does not exist
relation "{columns}" already exists
column "{columns}" does not exist
column {columns} does not exist
column "{name}" of relation "{name}" does not exist
column "{name}" of relation "{name}" already exists
column reference "{name}" is ambiguous
column "{columns}" must appear in the GROUP BY clause or be used in an aggregate function
missing FROM-clause entry for table "{name}"
table name "{name}" specified more than once
constraint "{name}" of relation "{name}" does not exist
permission denied for table {name}
permission denied for relation {name}
permission denied for schema {name}
type "{name}" does not exist
function {any} does not exist
operator does not exist: {any}
syntax error at or near "{value}"
syntax error at end of input
numeric field overflow
smallint out of range
integer out of range
bigint out of range
invalid input syntax for type {pgtype}: {value}
invalid input syntax for type {pgtype}
invalid byte sequence for encoding "{codec}": {value}
unsupported Unicode escape sequence
date/time field value out of range: {value}
timestamp out of range
interval out of range
more than one row returned by a subquery used as an expression
each UNION query must have the same number of columns
ON CONFLICT DO UPDATE command cannot affect row a second time
there is no unique or exclusion constraint matching the ON CONFLICT specification
cannot insert multiple commands into a prepared statement
deadlock detected
could not obtain lock on row in relation "{name}"
could not serialize access due to concurrent update
could not serialize access due to read/write dependencies among transactions
canceling statement due to statement timeout
canceling statement due to lock timeout
canceling statement due to user request
canceling statement due to conflict with recovery
terminating connection due to administrator command
terminating connection due to idle-in-transaction timeout
cannot execute {sql} in a read-only transaction
current transaction is aborted, commands ignored until end of transaction block
savepoint "{value}" does not exist
SELECT FOR UPDATE cannot be applied to the nullable side of an outer join
FOR UPDATE is not allowed with DISTINCT clause
FOR UPDATE cannot be applied to the nullable side of an outer join
SELECT DISTINCT ON expressions must match initial ORDER BY expressions
for SELECT DISTINCT, ORDER BY expressions must appear in select list
out of memory
out of shared memory
sorry, too many clients already
FATAL: sorry, too many clients already
FATAL: too many connections for role "{value}"
remaining connection slots are reserved for {any}
the database system is starting up
the database system is shutting down
the connection is closed
the connection is lost
the cursor is closed
connection already closed
cursor already closed
connection timeout expired
consuming input failed: {any}
server closed the connection unexpectedly
SSL connection has been closed unexpectedly
connection to server at {value}, port {value} failed: {any}
connection failed: connection to server at {value}, port {value} failed: {any}
password authentication failed for user "{value}"
database "{value}" does not exist
Connection refused
the query has {count} placeholders but {count} parameters were passed
cannot adapt type '{type}' using placeholder '{value}' (format: {any})
can't adapt type '{type}'
PostgreSQL text fields cannot contain NUL (0x00) bytes
A string literal cannot contain NUL (0x00) characters.
Key {columns}=({value}) already exists.
Key ({columns})=({value}) already exists.
Key ({columns})=({value}) is not present in table "{name}".
Key ({columns})=({value}) is still referenced from table "{name}".
A field with precision {count}, scale {count} must round to an absolute value less than 10^{count}.
Failing row contains ({value}).
Column '{columns}' cannot be null
Column '{columns}' in {sql} is ambiguous
Column count doesn't match value count at row {count}
Duplicate entry '{value}' for key '{columns}'
Duplicate column name '{name}'
Duplicate key name '{name}'
Field '{name}' doesn't have a default value
Unknown column '{columns}' in '{sql}'
Table '{columns}' doesn't exist
Table '{columns}' already exists
Unknown table '{columns}'
Unknown database '{value}'
Data too long for column '{name}' at row {count}
Data truncated for column '{name}' at row {count}
Out of range value for column '{name}' at row {count}
Incorrect {pgtype} value: '{value}' for column '{name}' at row {count}
Incorrect {pgtype} value: '{value}' for column {columns} at row {count}
Incorrect {pgtype} value: '{value}'
Incorrect {pgtype} value: '{value}' for function {any}
Truncated incorrect {pgtype} value: '{value}'
Cannot add or update a child row: a foreign key constraint fails ({columns}, CONSTRAINT {columns} FOREIGN KEY ({columns}) REFERENCES {columns} ({columns}))
Cannot add or update a child row: a foreign key constraint fails ({columns}, CONSTRAINT {columns} FOREIGN KEY ({columns}) REFERENCES {columns} ({columns}) ON DELETE {sql})
Cannot add or update a child row: a foreign key constraint fails
Cannot delete or update a parent row: a foreign key constraint fails ({columns}, CONSTRAINT {columns} FOREIGN KEY ({columns}) REFERENCES {columns} ({columns}))
Cannot delete or update a parent row: a foreign key constraint fails ({columns}, CONSTRAINT {columns} FOREIGN KEY ({columns}) REFERENCES {columns} ({columns}) ON DELETE {sql})
Cannot delete or update a parent row: a foreign key constraint fails
Check constraint '{name}' is violated.
CONSTRAINT {columns} failed for {columns}
Deadlock found when trying to get lock; try restarting transaction
Lock wait timeout exceeded; try restarting transaction
Record has changed since last read in table '{name}'
Server has gone away
MySQL server has gone away
Lost connection to MySQL server during query
Lost connection to server during query
Got a packet bigger than 'max_allowed_packet' bytes
Query execution was interrupted
Query execution was interrupted (max_statement_time exceeded)
Query execution was interrupted, maximum statement execution time exceeded
Too many connections
Access denied for user '{value}'@'{value}' (using password: {sql})
Access denied for user '{value}'@'{value}' to database '{value}'
Can't connect to MySQL server on '{value}' ({any})
Can't connect to local MySQL server through socket '{value}' ({any})
You have an error in your SQL syntax; check the manual that corresponds to your {any} server version for the right syntax to use near '{value}' at line {count}
Division by 0
Subquery returns more than 1 row
Illegal mix of collations {any}
The table '{name}' is full
Row size too large{any}
Specified key was too long; max key length is {count} bytes
Cannot execute statement in a READ ONLY transaction
The MySQL server is running with the --read-only option so it cannot execute this statement
Invalid JSON text: {any}
"""

_GAP = re.compile(r"\{([a-z]+)\}")


@dataclasses.dataclass(frozen=True, slots=True)
class FixedMessage:
    """
    The fixed words of a message.

    Attributes:
        words: The words between the gaps, with ``""`` for none at an end.
        kinds: What stands in each gap; one fewer than *words*.

    """

    words: tuple[str, ...]
    kinds: tuple[str, ...]


def _messages_in(table: str) -> tuple[FixedMessage, ...]:
    found = []
    for line in table.strip().split("\n"):
        pieces = _GAP.split(line)
        found.append(FixedMessage(tuple(pieces[::2]), tuple(pieces[1::2])))
    return tuple(found)


PYTHON = _messages_in(_PYTHON)
DATABASES = _messages_in(_DATABASES)

"""Every named size limit, in one place. What is over a limit is bad input, never cut in silence."""

# One event.
EVENT_BYTES = 256 * 1024  # a record value above this is `too_large`
ID_LENGTH = 256  # alert_id, action_id
NAME_LENGTH = 256  # team, rule, entity, severity, source, kind, actor
TITLE_LENGTH = 2_000
REASON_LENGTH = 1_000  # of an action
LABELS = 64  # labels of one alert
LABEL_KEY_LENGTH = 128
LABEL_VALUE_LENGTH = 1_000
SKEW_SECONDS = 600.0  # `at` may be later than its record timestamp by this much
FLOOR_SECONDS = 946_684_800.0  # 2000-01-01T00:00:00Z, nothing happened before
CEILING_SECONDS = 7_258_118_400.0  # 2200-01-01T00:00:00Z, nothing happens after, whatever a record's timestamp says

# alerts.failed
FAILED_KEY_BYTES = 1_024  # a longer key is cut as well
FAILED_VALUE_BYTES = 64 * 1024  # the raw value is cut here; its length and sha256 stand in headers
FAILED_HEADER_BYTES = 8 * 1024  # all headers of one record, at most

# Parts of the largest records; `stream/core/topics.py` adds them up for each topic.
KEY_BYTES = 4 * NAME_LENGTH  # a team's name in UTF-8
RECORD_BYTES = 512  # of a batch with one record: what Kafka adds to key, value and headers
SCORE_BYTES = 8 * 1024  # what an enriched record says of its alert
OUTCOME_BYTES = 24 * 1024  # an outcome record's value
DECISION_BYTES = 24 * 1024  # a decision record's value

EXPLAINED = 16  # alerts of one batch and model whose push is looked for ...
EXPLAINED_SHARE = 0.02  # ... or this share of a larger one, as in a backlog: each costs as much as scoring 13 alerts

# The ledger.
ACTIONS_REMEMBERED = 32  # action ids of one alert by which a repeated action is known
HELD_PER_ALERT = 16  # actions that overtook one alert
HELD_PER_PARTITION = 10_000
HELD_VALUE_BYTES = 4 * 1024  # a larger action is not held but fails at once
CONTEXT_BYTES = 2 * 1024  # severity, source and labels kept of an open alert, in UTF-8; more is cut and flagged

# The problem file.
HORIZON_HOURS = 366 * 24
GRACE_MINUTES = 24 * 60
HISTORY_DAYS = 36_525.0  # the most that forget_days and ledger_days can be
HISTORY_LABELS = 8  # each label makes two more levels
PATTERNS = 1_000
FLOOD_DAYS = 10_000
WINDOWS = 1_000  # of maintenance
EPISODE_MINUTES = 24 * 60

# Rules.
RULES = 10_000
RULE_PATTERNS = 1_000  # of one field of a rule's match
RULE_FILE_BYTES = 4 * 1024 * 1024
RULE_VALUES_REMEMBERED = 20_000  # values of one field whose matching rules are remembered
RULE_EPISODES = 10_000  # of one team under one rule, whose arm is remembered
RULE_NEAR = 1_000  # alerts of one entity that a rule touched, and that people acted on, while their hour is open

# Readers.
ONCE_KEYS = 1_000_000  # (team, alert_id) pairs that `Once` remembers

# The model store.
CHAMPIONS = 16  # versions that one pointer may name, all loaded in each worker
MODEL_FAULTS = 100  # kinds of failures of models that are remembered, so that each is logged with its cause once
STORE_CALLS_STUCK = 8  # requests to one store that hang at a time, each in a thread of its own

# Incident tools, and the watcher of Alertmanager's API.
LISTED = 200  # teams, tags or responders of one incident that are read
DIGITS = 30  # of a number that is an id
RECORDS = 10_000  # incidents of one body
ACCEPTED_TOKENS = 2  # bearer tokens of one source, valid at once
SIGNATURES = 16  # of one request that are compared
KEY_FILE_BYTES = 4 * 1024
WATCHED = 100_000  # alerts or silences of one Alertmanager that are read
MATCHERS = 100  # of one silence
PATTERN_LENGTH = 1_000  # of a matcher's regular expression
API_BYTES = 256 * 1024 * 1024  # of one answer of Alertmanager's API

# Metrics.
TEAM_GROUPS = 10  # beside `other`
GROUP_PATTERNS = 1_000  # of one group
MODELS_COUNTED = 8  # models whose series one process shows at a time
TEAMS_REMEMBERED = 100_000  # teams whose group is remembered

# The intake.
BODY_BYTES = 16 * 1024 * 1024  # of one post, unpacked; 10,000 alerts take about 6 MB
GZIP_RATIO = 200  # a body may unpack to this many times its size ...
GZIP_FREE_BYTES = 1024 * 1024  # ... and to this much in any case
BODY_DEPTH = 64  # of objects and lists in each other
HEADERS = 100  # of one post
HEADER_BYTES = 32 * 1024  # all names and values of one post
BODY_LABELS = 1_000  # labels that are read of one alert at all
NOTES = 20  # sentences for people about one body
FIRINGS_REMEMBERED = 8  # of one fingerprint: the open one and what ended in the last minutes
CHURN_ENTRIES = 2_000  # of rule and entity, whose labels one process watches for change
ITEMS = 100_000  # alerts of one body

# The relay.
ALERTMANAGERS = 16
RELAY_ENTRIES = 100_000  # label sets that are followed at a time; about 2 KB each
RELAY_SCORES = 200_000  # annotations that are remembered by alert id
RELAY_ENDS = 20_000  # ends that wait for Kafka at a time
RELAY_FAILED = 500  # dead letters that wait for Kafka at a time, at most 64 KiB each
RELAY_FAILED_REMEMBERED = 10_000  # dead letters that are known when their alert is posted again
RELAY_POSTS = 256  # posts that are worked on at a time
RELAY_WAITING_POSTS = 256  # posts that wait for one Alertmanager
RELAY_WAITING_BYTES = 64 * 1024 * 1024  # bytes of all bodies that are worked on at a time
FORWARDED_HEADERS = 32  # of one post that go on with it
RELAY_NEW_PER_SECOND = 50  # new firings; over it none waits for its decision

# The triage page.
TRIAGE_ROWS = 20_000  # episodes that are kept; over it the oldest is forgotten, what is done first
TRIAGE_FIRINGS = 200  # of one episode
TRIAGE_ACTS = 50  # of one alert, the newest
TRIAGE_DECISIONS = 20  # of one alert, the newest
TRIAGE_EARLY = 20_000  # alerts of which something came before they were raised
TRIAGE_SHOWN_PER_SECOND = 500  # new alerts; over it the list shows a sample
TRIAGE_SIMILAR = 50  # alerts of one team and rule that "last time" looks at
TRIAGE_SNAPSHOTS = 64  # orders of the list that browsers page through
TRIAGE_VIEWERS = 500  # browsers that follow the list at a time
TRIAGE_FRAMES = 40  # batches that wait for one browser before they are made one
TRIAGE_RING = 1_200  # batches by which a browser that comes back goes on
TRIAGE_REQUEST_BYTES = 2 * 1024 * 1024  # of a verdict, with the keys of 10,000 rows
TRIAGE_TEAMS = 2_000  # teams, and rules of one team, of which figures are kept

-- Tables for postgres_sink.json: each record whole, under its coordinates in Kafka, and views that show each alert once.
-- The sink writes a record again where it did so before, so redeliveries add no rows.

CREATE TABLE alerts_enriched (
    __connect_topic text NOT NULL,
    __connect_partition integer NOT NULL,
    __connect_offset bigint NOT NULL,
    record jsonb NOT NULL,
    PRIMARY KEY (__connect_topic, __connect_partition, __connect_offset)
);
CREATE TABLE alerts_outcomes (LIKE alerts_enriched INCLUDING ALL);
CREATE TABLE alerts_decisions (LIKE alerts_enriched INCLUDING ALL);

CREATE INDEX ON alerts_enriched ((record -> 'alert' ->> 'team'), (record -> 'alert' ->> 'alert_id'));
CREATE INDEX ON alerts_outcomes ((record ->> 'team'), (record ->> 'alert_id'));
CREATE INDEX ON alerts_decisions ((record ->> 'team'), (record ->> 'alert_id'));

-- A scored record replaces an unscored one; among scored ones the first stands.
CREATE VIEW scored_alerts AS
SELECT DISTINCT ON (record -> 'alert' ->> 'team', record -> 'alert' ->> 'alert_id')
    record -> 'alert' ->> 'team' AS team,
    record -> 'alert' ->> 'alert_id' AS alert_id,
    record -> 'alert' ->> 'rule' AS rule,
    record -> 'alert' ->> 'entity' AS entity,
    (record -> 'alert' ->> 'at')::timestamptz AS raised_at,
    (record -> 'score' ->> 'probability')::double precision AS probability,
    record -> 'score' ->> 'band' AS band,
    record -> 'score' ->> 'evidence' AS evidence,
    record -> 'score' ->> 'model' AS model,
    record -> 'score' ->> 'reason' AS reason,
    record -> 'flags' AS flags
FROM alerts_enriched
ORDER BY record -> 'alert' ->> 'team', record -> 'alert' ->> 'alert_id',
    record -> 'score' ->> 'probability' IS NULL, __connect_offset;

-- A correction replaces the outcome before it; else the first stands.
CREATE VIEW outcomes AS
SELECT DISTINCT ON (record ->> 'team', record ->> 'alert_id')
    record ->> 'team' AS team,
    record ->> 'alert_id' AS alert_id,
    record ->> 'rule' AS rule,
    record ->> 'outcome' AS outcome,
    record ->> 'by' AS by,
    record ->> 'agent' AS agent,
    (record ->> 'raised_at')::timestamptz AS raised_at,
    (record ->> 'decided_at')::timestamptz AS decided_at
FROM alerts_outcomes
ORDER BY record ->> 'team', record ->> 'alert_id', record ->> 'by' <> 'correction', __connect_offset;

-- One decision of one rule about one alert.
CREATE VIEW decisions AS
SELECT DISTINCT ON (record ->> 'team', record ->> 'alert_id', record ->> 'by_rule', record ->> 'decision')
    record ->> 'team' AS team,
    record ->> 'alert_id' AS alert_id,
    record ->> 'by_rule' AS by_rule,
    record ->> 'decision' AS decision,
    record ->> 'mode' AS mode,
    record ->> 'why' AS why,
    (record ->> 'until')::timestamptz AS until,
    (record ->> 'decided_at')::timestamptz AS decided_at
FROM alerts_decisions
ORDER BY record ->> 'team', record ->> 'alert_id', record ->> 'by_rule', record ->> 'decision', __connect_offset;

-- The noisiest rules of the last 30 days: alerts that nobody acted on.
CREATE VIEW noisiest_rules AS
SELECT team, rule, count(*) FILTER (WHERE outcome = 'noise') AS noise, count(*) AS decided
FROM outcomes
WHERE outcome <> 'unknown' AND decided_at > now() - interval '30 days'
GROUP BY team, rule
ORDER BY noise DESC;

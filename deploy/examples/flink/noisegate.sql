-- Tables over noisegate's topics and two queries, for the Flink SQL client.
-- The client needs the jar flink-sql-connector-kafka of its Flink version; the JSON format comes with Flink.

SET 'table.exec.state.ttl' = '31 d';

-- The client takes the queries of a file in this mode only.
SET 'sql-client.execution.result-mode' = 'tableau';

CREATE TABLE enriched (
    alert ROW<
        `at` STRING,
        alert_id STRING,
        team STRING,
        rule STRING,
        entity STRING,
        severity STRING,
        source STRING,
        title STRING,
        labels MAP<STRING, STRING>
    >,
    score ROW<
        probability DOUBLE,
        band STRING,
        `model` STRING,
        evidence STRING,
        reason STRING,
        challenger ROW<`model` STRING, probability DOUBLE>
    >,
    flags ARRAY<STRING>,
    episode STRING,
    scored_at TIMESTAMP_LTZ(3),
    written_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
    WATERMARK FOR written_at AS written_at
) WITH (
    'connector' = 'kafka',
    'topic' = 'alerts.enriched',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.group.id' = 'flink-enriched',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE outcomes (
    alert_id STRING,
    team STRING,
    rule STRING,
    entity STRING,
    raised_at TIMESTAMP_LTZ(3),
    outcome STRING,
    decided_at TIMESTAMP_LTZ(3),
    `by` STRING,
    agent STRING,
    problem STRING,
    `model` STRING,
    scores MAP<STRING, DOUBLE>,
    evidence STRING,
    flags ARRAY<STRING>,
    severity STRING,
    labels MAP<STRING, STRING>,
    episode STRING,
    written_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
    WATERMARK FOR written_at AS written_at
) WITH (
    'connector' = 'kafka',
    'topic' = 'alerts.outcomes',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.group.id' = 'flink-outcomes',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE decisions (
    alert_id STRING,
    team STRING,
    rule STRING,
    entity STRING,
    decision STRING,
    by_rule STRING,
    rule_version STRING,
    `mode` STRING,
    probability DOUBLE,
    p_act DOUBLE,
    until TIMESTAMP_LTZ(3),
    proof ROW<observations BIGINT, acted DOUBLE, bound DOUBLE, `limit` DOUBLE, `state` STRING>,
    why STRING,
    decided_at TIMESTAMP_LTZ(3),
    written_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
    WATERMARK FOR written_at AS written_at
) WITH (
    'connector' = 'kafka',
    'topic' = 'alerts.decisions',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.group.id' = 'flink-decisions',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601'
);

-- Each alert once: the first scored record, and the outcome or its correction.
CREATE VIEW scored_alerts AS
SELECT team, alert_id, rule, probability, band
FROM (
    SELECT
        alert.team AS team,
        alert.alert_id AS alert_id,
        alert.rule AS rule,
        score.probability AS probability,
        score.band AS band,
        ROW_NUMBER() OVER (PARTITION BY alert.team, alert.alert_id ORDER BY written_at) AS place
    FROM enriched
    WHERE score.probability IS NOT NULL
)
WHERE place = 1;

CREATE VIEW final_outcomes AS
SELECT team, alert_id, rule, outcome
FROM (
    SELECT
        team,
        alert_id,
        rule,
        outcome,
        ROW_NUMBER() OVER (
            PARTITION BY team, alert_id ORDER BY CASE `by` WHEN 'correction' THEN 0 ELSE 1 END, written_at
        ) AS place
    FROM outcomes
)
WHERE place = 1;

-- The noisiest rules: alerts that nobody acted on.
SELECT team, rule, SUM(CASE outcome WHEN 'noise' THEN 1 ELSE 0 END) AS noise, COUNT(*) AS decided
FROM final_outcomes
WHERE outcome <> 'unknown'
GROUP BY team, rule;

-- How scores turn out: for each band, the mean probability beside the share that was acted on.
SELECT
    band,
    COUNT(*) AS alerts,
    AVG(probability) AS mean_probability,
    AVG(CASE outcome WHEN 'actionable' THEN 1.0 ELSE 0.0 END) AS acted
FROM scored_alerts AS s
JOIN final_outcomes AS o ON s.team = o.team AND s.alert_id = o.alert_id
WHERE outcome <> 'unknown'
GROUP BY band;

"""The closer: rules decide on scored alerts, one proven step at a time. Three folds on the lane, each behind a fence.

worker              the process
room                batches in, writes behind the fence, the outbox
fold                the port of the folds, and what leaves them
partition, state    one partition: its fold, its parts in Redis and its meta
enriched            decides on alerts, and brings back what is suppressed
  team_acts         what each rule did in each team: limits and arms
  suppressed        what is kept from people, and when it is due
  lost_suppressions what was suppressed, from alerts.decisions, where the state is gone
events              ends of suppressed alerts
outcomes            observations and tallies of a partition
  open_hours, tallies, closures, near_misses    its parts
owner               who judges all rules: partition 0 of alerts.outcomes
  ladders, commands the rules' standing, and what people want of it
situation           rules, standings, brakes and orders, read beside the batches
  rule_watch, brakes, exchange
outbox              what left a round, kept until it is published and done
dispatch            publishes it, and does it at the targets
  deed_queue, target_worker, targets
"""

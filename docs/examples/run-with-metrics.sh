#!/bin/sh
# Deletes the sessions of a file, and writes the summary for the node exporter of Prometheus.
set -a
. /opt/cleanup/key.env
metrics=/var/lib/node_exporter/firecrawl
/opt/cleanup/bin/firecrawl-interact delete --json --missing-ok \
  --from /opt/cleanup/ids.txt --resume /opt/cleanup/record.jsonl \
  >/dev/null 2>/opt/cleanup/notes
status=$?
tail -n 1 /opt/cleanup/notes | jq -er '
  "firecrawl_sessions_gone \(.gone)",
  "firecrawl_sessions_not_found \(.not_found)",
  "firecrawl_sessions_may_still_be_billing \(.may_still_be_billing)",
  "firecrawl_credits_billed \(.credits)",
  "firecrawl_cleanup_ended_at_seconds \(.ended_at | fromdate)"
' >$metrics.tmp && mv $metrics.tmp $metrics.prom
exit $status

select pg_export_snapshot() as taken \gset
\setenv GATES_SNAPSHOT :taken
\! "$GATES_DUMP" -w -Fc -Z 6 -f "$GATES_FILE" --snapshot="$GATES_SNAPSHOT" -d "$GATES_URL" || echo "dump failed"

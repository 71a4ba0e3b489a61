import { useQuery } from "@tanstack/react-query";

import { api, type ItemStatus } from "../lib/api";
import { STATUS_LABEL, euros } from "../lib/format";
import { keys } from "../lib/keys";

/** The shop in numbers. */
export function Dashboard({ year = new Date().getFullYear() }: { year?: number }) {
  const dashboard = useQuery({ queryKey: keys.dashboardOf(year), queryFn: () => api.dashboard(year) });
  return (
    <section aria-labelledby="dashboard-title">
      <h1 id="dashboard-title">Dashboard</h1>
      {dashboard.isPending && <p role="status">Loading…</p>}
      {dashboard.isError && <p role="alert">{dashboard.error.message}</p>}
      {dashboard.data && (
        <dl>
          {(Object.entries(STATUS_LABEL) as [ItemStatus, string][]).map(([status, label]) => (
            <Figure key={status} label={label} value={String(dashboard.data.items[status])} />
          ))}
          <Figure label="Value in stock" value={euros(dashboard.data.value)} />
          <Figure label="Open drafts" value={String(dashboard.data.drafts)} />
          <Figure label={`Kilometres in ${dashboard.data.year}`} value={`${dashboard.data.kilometres} km`} />
        </dl>
      )}
    </section>
  );
}

function Figure({ label, value }: { label: string; value: string }) {
  return (
    <div role="group" aria-label={label}>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

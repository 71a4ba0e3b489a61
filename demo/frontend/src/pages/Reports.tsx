import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { Choice } from "../lib/Choice";
import { api, type Month } from "../lib/api";
import { euros, monthName } from "../lib/format";
import { keys } from "../lib/keys";

const YEARS = 5;

/** What a year brought, month by month. */
export function Reports({ today = new Date() }: { today?: Date }) {
  const now = today.getFullYear();
  const [year, setYear] = useState(now);
  const report = useQuery({ queryKey: keys.reportOf(year), queryFn: () => api.report(year) });
  const years = Array.from({ length: YEARS }, (_, index) => String(now - index));
  return (
    <section aria-labelledby="reports-title">
      <h1 id="reports-title">Reports</h1>
      <Choice label="Year" value={String(year)} options={years.map((value) => ({ value, label: value }))} onChange={(value) => setYear(Number(value))} />
      {report.isPending && <p role="status">Loading…</p>}
      {report.isError && <p role="alert">{report.error.message}</p>}
      {report.data && <Table year={year} months={report.data} />}
    </section>
  );
}

function Table({ year, months }: { year: number; months: Month[] }) {
  const sum = (of: (month: Month) => number) => months.reduce((total, month) => total + of(month), 0);
  return (
    <table>
      <caption>{year}</caption>
      <thead>
        <tr>
          <th>Month</th>
          <th>Pieces</th>
          <th>Revenue</th>
          <th>Refunds</th>
          <th>Cost</th>
          <th>Profit</th>
        </tr>
      </thead>
      <tbody>
        {months.map((month) => (
          <tr key={month.month}>
            <th scope="row">{monthName(month.month)}</th>
            <td>{month.pieces}</td>
            <td>{euros(month.revenue)}</td>
            <td>{euros(month.refunds)}</td>
            <td>{euros(month.cost)}</td>
            <td>{euros(month.profit)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr aria-label="Whole year">
          <th scope="row">Whole year</th>
          <td>{sum((month) => month.pieces)}</td>
          <td>{euros(sum((month) => month.revenue))}</td>
          <td>{euros(sum((month) => month.refunds))}</td>
          <td>{euros(sum((month) => month.cost))}</td>
          <td>{euros(sum((month) => month.profit))}</td>
        </tr>
      </tfoot>
    </table>
  );
}

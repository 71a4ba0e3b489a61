import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { Choice } from "../lib/Choice";
import { api, type FileRow, type ListingFile } from "../lib/api";
import { OUTCOME_LABEL, count, euros } from "../lib/format";
import { keys } from "../lib/keys";
import { useChange } from "../lib/useChange";

const FORMATS = [
  { value: "csv", label: "CSV" },
  { value: "json", label: "JSON" },
];

/** Listings of a marketplace: a file is looked at first, then applied. */
export function Marketplace() {
  const listings = useQuery({ queryKey: keys.listings, queryFn: api.listings });
  return (
    <section aria-labelledby="marketplace-title">
      <h1 id="marketplace-title">Marketplace</h1>
      <Import />
      {listings.isPending && <p role="status">Loading…</p>}
      {listings.isError && <p role="alert">{listings.error.message}</p>}
      {listings.data?.length === 0 && <p>Nothing is listed.</p>}
      {listings.data && listings.data.length > 0 && (
        <table>
          <caption>{count(listings.data.length, "listing")}</caption>
          <thead>
            <tr>
              <th>Market</th>
              <th>Reference</th>
              <th>Item</th>
              <th>Article</th>
              <th>Price</th>
            </tr>
          </thead>
          <tbody>
            {listings.data.map((listing) => (
              <tr key={`${listing.market} ${listing.reference}`}>
                <td>{listing.market}</td>
                <td>{listing.reference}</td>
                <td>{listing.item}</td>
                <td>{listing.label}</td>
                <td>{euros(listing.price)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Import() {
  const [file, setFile] = useState<ListingFile>({ market: "", format: "csv", text: "" });
  const preview = useMutation({ mutationFn: () => api.preview(file) });
  const apply = useChange(() => api.applyListings(file), [keys.listings, keys.inventory, keys.dashboard], () => preview.reset());
  // What was looked at is what is applied: a change wants another look.
  const change = (next: Partial<ListingFile>) => {
    setFile({ ...file, ...next });
    preview.reset();
    apply.reset();
  };
  const ready = file.market.trim() !== "" && file.text.trim() !== "";
  return (
    <form aria-label="Import" onSubmit={(event) => event.preventDefault()}>
      <label>
        Market <input value={file.market} onChange={(event) => change({ market: event.target.value })} />
      </label>
      <Choice label="Format" value={file.format} options={FORMATS} onChange={(value) => change({ format: value === "json" ? "json" : "csv" })} />
      <label className="wide">
        File <textarea rows={4} value={file.text} placeholder="reference,sku,price" onChange={(event) => change({ text: event.target.value })} />
      </label>
      <button disabled={!ready || preview.isPending} onClick={() => preview.mutate()}>
        Preview
      </button>
      {preview.isError && <p role="alert">{preview.error.message}</p>}
      {preview.data && (
        <>
          <Rows label="Preview" rows={preview.data} />
          <button disabled={apply.isPending || preview.data.every((row) => row.outcome === "refused")} onClick={() => apply.mutate(undefined)}>
            Apply
          </button>
        </>
      )}
      {apply.isError && <p role="alert">{apply.error.message}</p>}
      {apply.data && <p role="status">{applied(apply.data)}</p>}
    </form>
  );
}

function applied(rows: FileRow[]): string {
  const of = (outcome: FileRow["outcome"]) => rows.filter((row) => row.outcome === outcome).length;
  return `Applied: ${of("new")} new, ${of("repriced")} repriced, ${of("refused")} refused`;
}

function Rows({ label, rows }: { label: string; rows: FileRow[] }) {
  return (
    <table aria-label={label}>
      <thead>
        <tr>
          <th>Line</th>
          <th>Reference</th>
          <th>Article</th>
          <th>Price</th>
          <th>Outcome</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.line} className={row.outcome}>
            <td>{row.line}</td>
            <td>{row.reference}</td>
            <td>{row.sku}</td>
            <td>{row.price ? euros(row.price) : ""}</td>
            <td>
              {OUTCOME_LABEL[row.outcome]}
              {row.why && `: ${row.why}`}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

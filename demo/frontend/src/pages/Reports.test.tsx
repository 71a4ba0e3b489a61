import { describe, expect, it } from "vitest";

import { choose, renderPage, screen, serve, smallWorld, within } from "../test/harness";
import { Reports } from "./Reports";

const TODAY = new Date(2026, 5, 1);

describe("Reports", () => {
  it("shows every month and the whole year", async () => {
    serve(smallWorld());
    renderPage(<Reports today={TODAY} />);
    const april = within(await screen.findByRole("row", { name: /April/ }));
    expect(april.getAllByRole("cell").map((cell) => cell.textContent)).toEqual(["2", "55.00 €", "5.00 €", "32.00 €", "18.00 €"]);
    const year = within(screen.getByRole("row", { name: "Whole year" }));
    expect(year.getAllByRole("cell").at(-1)).toHaveTextContent("18.00 €");
    expect(screen.getAllByRole("row")).toHaveLength(14);
  });

  it("changes the year", async () => {
    serve(smallWorld());
    const user = renderPage(<Reports today={TODAY} />);
    await screen.findByRole("row", { name: /April/ });
    await choose(user, "Year", "2025");
    expect(await screen.findByRole("table", { name: "2025" })).toBeVisible();
    expect(within(screen.getByRole("row", { name: "Whole year" })).getAllByRole("cell").at(-1)).toHaveTextContent("0.00 €");
  });
});

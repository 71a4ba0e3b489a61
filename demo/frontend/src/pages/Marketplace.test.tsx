import { describe, expect, it } from "vitest";

import { renderPage, screen, serve, smallWorld, within } from "../test/harness";
import { Marketplace } from "./Marketplace";

const FILE = "reference,sku,price\nA-1,SNES-001,25\nA-9,BOOK-7,5";

async function preview(user: ReturnType<typeof renderPage>) {
  await user.type(screen.getByLabelText("Market"), "bay");
  await user.click(screen.getByLabelText("File"));
  await user.paste(FILE);
  await user.click(screen.getByRole("button", { name: "Preview" }));
  return within(await screen.findByRole("table", { name: "Preview" }));
}

describe("Marketplace", () => {
  it("shows what is listed", async () => {
    serve(smallWorld());
    renderPage(<Marketplace />);
    expect(await screen.findByRole("cell", { name: "A-2" })).toBeVisible();
    expect(screen.getByRole("cell", { name: "30.00 €" })).toBeVisible();
  });

  it("says when nothing is", async () => {
    serve({ ...smallWorld(), listings: [] });
    renderPage(<Marketplace />);
    expect(await screen.findByText("Nothing is listed.")).toBeVisible();
  });

  it("looks at a file without changing anything, then applies it", async () => {
    const seen = serve(smallWorld());
    const user = renderPage(<Marketplace />);
    const rows = await preview(user);
    expect(rows.getByText("New")).toBeVisible();
    expect(rows.getByText("Refused: no piece of BOOK-7 is in stock")).toBeVisible();
    expect(seen.some((request) => request.path === "/api/marketplace/imports")).toBe(false);
    await user.click(screen.getByRole("button", { name: "Apply" }));
    expect(await screen.findByText("Applied: 1 new, 0 repriced, 1 refused")).toBeVisible();
    expect(await screen.findByRole("cell", { name: "A-1" })).toBeVisible();
  });

  it("wants another look after a change", async () => {
    serve(smallWorld());
    const user = renderPage(<Marketplace />);
    await preview(user);
    await user.type(screen.getByLabelText("Market"), "2");
    expect(screen.queryByRole("button", { name: "Apply" })).toBeNull();
  });

  it("says what is wrong with a file", async () => {
    serve(smallWorld(), { "/api/marketplace/preview": { status: 422, body: { detail: "the file has no rows" } } });
    const user = renderPage(<Marketplace />);
    await user.type(screen.getByLabelText("Market"), "bay");
    await user.type(screen.getByLabelText("File"), "x");
    await user.click(screen.getByRole("button", { name: "Preview" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("the file has no rows");
  });
});

import { expect, it } from "vitest";

import { App } from "./App";
import { renderPage, screen, serve, smallWorld } from "./test/harness";

it("changes pages and says which one is shown", async () => {
  serve(smallWorld());
  const user = renderPage(<App />);
  expect(screen.getByRole("button", { name: "Inventory" })).toHaveAttribute("aria-current", "page");
  await user.click(screen.getByRole("button", { name: "Purchases" }));
  expect(await screen.findByRole("heading", { name: "Purchases" })).toBeVisible();
  expect(await screen.findByRole("article", { name: "Purchase 1" })).toBeVisible();
  for (const name of ["Master products", "Dashboard"]) {
    await user.click(screen.getByRole("button", { name }));
    expect(await screen.findByRole("heading", { name })).toBeVisible();
  }
});

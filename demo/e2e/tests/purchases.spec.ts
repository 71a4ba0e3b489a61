import { expect, test } from "./shop.ts";

test("a purchase with its mileage becomes stock", { tag: "@purchases" }, async ({ shop }) => {
  const { page, go, choose, confirm } = shop;
  await go("Purchases");
  await page.getByLabel("Seller").fill("Estate of a collector");
  await page.getByLabel("Day").fill("2026-05-02");
  await page.getByRole("button", { name: "Begin" }).click();
  const card = page.getByRole("article").filter({ hasText: "Estate of a collector" });

  await card.getByRole("button", { name: "Add line" }).click();
  const line = page.getByRole("dialog", { name: "Add line" });
  await choose(line, "Article", "Article 7");
  await line.getByLabel("Quantity").fill("2");
  await line.getByLabel("Price").fill("41.11");
  await confirm(line, "Save line");
  await expect(card.getByText("2 × SKU-7 at 41.11 €")).toBeVisible();

  await card.getByRole("button", { name: "Add trip" }).click();
  const trip = page.getByRole("dialog", { name: "Add trip" });
  await trip.getByLabel("Kilometres").fill("40");
  await trip.getByLabel("Purpose").fill("collect the boxes");
  await confirm(trip, "Save trip");
  await expect(card.getByText("2026-05-02: 40 km, collect the boxes")).toBeVisible();
  await expect(card.getByText("Draft · goods 82.22 € · travel 12.00 €")).toBeVisible();

  await card.getByRole("button", { name: "Finalize" }).click();
  await confirm(page.getByRole("dialog", { name: "Finalize" }), "Yes, finalize");
  await page.reload();
  await expect(card.getByText(/^Finalized/)).toBeVisible();

  // Two pieces at their price and half of the travel each.
  await go("Inventory");
  await page.getByLabel("Search").fill("SKU-7");
  await expect(page.getByRole("cell", { name: "47.11 €" })).toHaveCount(2);
});

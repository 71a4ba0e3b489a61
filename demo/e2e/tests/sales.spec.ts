import { expect, test } from "./shop.ts";

test("a sale is finalized, and a piece of it comes back to the shelf", { tag: "@sales" }, async ({ shop }) => {
  const { page, go, choose, confirm } = shop;
  await go("Sales");
  await page.getByLabel("Buyer").fill("Collector from Ghent");
  await page.getByLabel("Day").fill("2026-05-20");
  await page.getByRole("button", { name: "Begin" }).click();
  const card = page.getByRole("article").filter({ hasText: "Collector from Ghent" });
  await card.getByRole("button", { name: "Add piece" }).click();
  const piece = page.getByRole("dialog", { name: "Add piece" });
  await choose(piece, "Item", /Article 5/);
  await piece.getByLabel("Price").fill("61.00");
  await confirm(piece, "Save piece");
  const line = card.getByRole("listitem");
  await expect(line).toContainText("at 61.00 €");
  const item = /Item (\d+)/.exec((await line.textContent()) ?? "")?.[1] ?? "none";

  await card.getByRole("button", { name: "Finalize sale" }).click();
  await confirm(page.getByRole("dialog", { name: "Finalize sale" }), "Yes, sell");
  await expect(card.getByText("Finalized · total 61.00 €")).toBeVisible();
  const row = page.getByRole("row").filter({ has: page.getByRole("cell", { name: item, exact: true }) });
  const state = async (expected: string) => {
    await go("Inventory");
    await page.getByLabel("Search").fill("SKU-5");
    await expect(row).toContainText(expected);
    await go("Sales");
  };
  await state("Sold");

  await card.getByRole("button", { name: `Return item ${item}` }).click();
  const back = page.getByRole("dialog", { name: `Return item ${item}` });
  await back.getByLabel("Day").fill("2026-05-23");
  await back.getByLabel("Refund").fill("61");
  await back.getByLabel("Reason").fill("does not start");
  await confirm(back, "Take back");
  await page.reload();
  await expect(card.getByText("Finalized · total 0.00 €")).toBeVisible();
  await expect(line).toContainText("came back to the shelf: does not start, 61.00 € paid back");
  await state("In stock");
});

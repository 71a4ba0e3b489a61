import { expect, test } from "./shop.ts";

test("offers become leads, which are bought or left", { tag: "@sourcing" }, async ({ shop }) => {
  const { page, go, confirm } = shop;
  await go("Sourcing");
  await page.getByLabel("Source").fill("Car boot");
  await page.getByLabel("Offers").fill("C-1; SKU-8; 10\nC-2; SKU-8; 12.50\nC-3; SKU-8; 99\nC-4; NO-SUCH; 1");
  await page.getByRole("button", { name: "Run" }).click();
  await expect(page.getByText("2 leads; 0 known, 1 not worth it, 1 passed over")).toBeVisible();

  const bought = page.getByRole("row").filter({ hasText: "Car boot, C-1" });
  await bought.getByRole("button", { name: "Convert to purchase" }).click();
  const convert = page.getByRole("dialog", { name: "Convert to purchase" });
  await convert.getByLabel("Day").fill("2026-05-09");
  await confirm(convert, "Buy it");
  await expect(bought).toContainText(/Bought as purchase \d+/);

  const left = page.getByRole("row").filter({ hasText: "Car boot, C-2" });
  await left.getByRole("button", { name: "Discard" }).click();
  const discard = page.getByRole("dialog", { name: "Discard" });
  await discard.getByLabel("Reason").fill("the cartridge is a copy");
  await confirm(discard, "Leave it");
  await page.reload();
  await expect(left).toContainText("Left: the cartridge is a copy");

  await go("Purchases");
  const draft = page.getByRole("article").filter({ hasText: "Car boot, C-1" });
  await expect(draft.getByText("1 × SKU-8 at 10.00 €")).toBeVisible();
  await expect(draft.getByText(/^Draft/)).toBeVisible();
});

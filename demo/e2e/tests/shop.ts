/** The one way the flows reach the shop: a worker's own address, and somebody who is signed in. */
import { test as base, type Locator, type Page } from "@playwright/test";

/** What the seed puts into every worker's database. */
export const SEEDED = { name: "owner", password: "only for the demo", token: "a token of the demo, for its tests alone" };

const urls = (process.env["BASE_URLS"] ?? "http://127.0.0.1:5173").split(",");

export interface Shop {
  page: Page;
  /** Changes to a page by the menu. */
  go: (name: string) => Promise<void>;
  /** Presses a button of a dialog, and waits until the service has done it: then the dialog closes. */
  confirm: (dialog: Locator, button: string) => Promise<void>;
  /** Chooses an option of a select, in the page or in a dialog. */
  choose: (within: Page | Locator, label: string, option: string | RegExp) => Promise<void>;
}

export const test = base.extend<{ shop: Shop }>({
  baseURL: async ({}, use, info) => use(urls[info.parallelIndex % urls.length]),
  shop: async ({ page, baseURL }, use) => {
    await page.addInitScript((token) => localStorage.setItem("resale.token", JSON.stringify(token)), SEEDED.token);
    await page.goto(baseURL ?? "/");
    const go = async (name: string) => {
      await page.getByRole("navigation").getByRole("button", { name, exact: true }).click();
      await page.getByRole("heading", { name, exact: true, level: 1 }).waitFor();
    };
    const choose = async (within: Page | Locator, label: string, option: string | RegExp) => {
      await within.getByRole("combobox", { name: label }).click();
      await page.getByRole("option", { name: option }).first().click();
    };
    const confirm = async (dialog: Locator, button: string) => {
      await dialog.getByRole("button", { name: button }).click();
      await dialog.waitFor({ state: "hidden" });
    };
    await use({ page, go, choose, confirm });
  },
});

export { expect } from "@playwright/test";

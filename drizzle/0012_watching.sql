-- What watches the pipeline: owners that were told, test data, days of the dataset.
CREATE TABLE "lethe"."canary" (
	"id" uuid PRIMARY KEY NOT NULL,
	"state" text NOT NULL,
	"account_key" text,
	"erasure_id" uuid,
	"planted" jsonb,
	"findings" jsonb,
	"next_at" timestamp with time zone,
	"attempts" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"planted_at" timestamp with time zone,
	"requested_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	"last_words" text,
	CONSTRAINT "canary_state" CHECK (state IN ('planting', 'planted', 'requested', 'passed', 'failed'))
);
--> statement-breakpoint
CREATE TABLE "lethe"."dataset_partition" (
	"day" date PRIMARY KEY NOT NULL,
	"revision" integer NOT NULL,
	"rows" bigint NOT NULL,
	"keys" boolean NOT NULL,
	"whole" boolean DEFAULT true NOT NULL,
	"built_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "lethe"."owner" (
	"name" text PRIMARY KEY NOT NULL,
	"state" text NOT NULL,
	"since" timestamp with time zone NOT NULL,
	"calm_since" timestamp with time zone,
	"watched_at" timestamp with time zone NOT NULL,
	"measured" jsonb NOT NULL,
	"told_state" text DEFAULT 'well' NOT NULL,
	"told_at" timestamp with time zone,
	"message_id" uuid,
	"message" jsonb,
	"tried_state" text,
	"next_at" timestamp with time zone,
	"attempts" integer DEFAULT 0 NOT NULL,
	"last_words" text,
	CONSTRAINT "owner_state" CHECK (state IN ('well', 'failing', 'late')),
	CONSTRAINT "owner_told_state" CHECK (told_state IN ('well', 'failing', 'late'))
);
--> statement-breakpoint
ALTER TABLE "lethe"."erasure" ADD COLUMN "canary" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "lethe"."canary" ADD CONSTRAINT "canary_erasure_id_erasure_id_fk" FOREIGN KEY ("erasure_id") REFERENCES "lethe"."erasure"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "canary_one_live" ON "lethe"."canary" USING btree ((true)) WHERE finished_at IS NULL;--> statement-breakpoint
CREATE INDEX "canary_account" ON "lethe"."canary" USING btree ("account_key") WHERE state <> 'passed';--> statement-breakpoint
CREATE INDEX "canary_created" ON "lethe"."canary" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "event_erased" ON "lethe"."event" USING btree ("at","id") WHERE type = 'account.erased';
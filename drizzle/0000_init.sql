CREATE SCHEMA "lethe";
--> statement-breakpoint
CREATE TABLE "lethe"."chunk" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "lethe"."chunk_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"task_id" bigint NOT NULL,
	"pass" integer NOT NULL,
	"number" bigint NOT NULL,
	"lower" text[],
	"upper" text[],
	"cursor" text[],
	"rows_planned" bigint NOT NULL,
	"rows_deleted" bigint DEFAULT 0 NOT NULL,
	"dispatches" integer DEFAULT 0 NOT NULL,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "lethe"."erasure" (
	"id" uuid PRIMARY KEY NOT NULL,
	"account_key" text,
	"account_digest" text,
	"email" text,
	"state" text NOT NULL,
	"mode" text NOT NULL,
	"requested_at" timestamp with time zone DEFAULT now() NOT NULL,
	"starts_at" timestamp with time zone NOT NULL,
	"started_at" timestamp with time zone,
	"due_at" timestamp with time zone NOT NULL,
	"completed_at" timestamp with time zone,
	"cancelled_at" timestamp with time zone,
	"requested_by" text,
	"step" integer DEFAULT 0 NOT NULL,
	"job_id" text,
	"dispatched_at" timestamp with time zone,
	"retry_at" timestamp with time zone,
	"held_at" timestamp with time zone,
	"hold_reason" text,
	"catalog_digest" text NOT NULL,
	"pass" integer DEFAULT 1 NOT NULL,
	"passes" integer DEFAULT 0 NOT NULL,
	"finish_attempts" integer DEFAULT 0 NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"probe_at" timestamp with time zone,
	"scrubbed_at" timestamp with time zone,
	CONSTRAINT "erasure_state" CHECK (state IN ('scheduled', 'running', 'awaiting', 'stalled', 'completed', 'cancelled')),
	CONSTRAINT "erasure_mode" CHECK (mode IN ('immediate', 'scheduled'))
);
--> statement-breakpoint
CREATE TABLE "lethe"."event" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "lethe"."event_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"erasure_id" uuid NOT NULL,
	"type" text NOT NULL,
	"data" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "lethe"."idempotency" (
	"key_hash" text PRIMARY KEY NOT NULL,
	"fingerprint" text NOT NULL,
	"erasure_id" uuid,
	"status" integer,
	"response" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"locked_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "lethe"."notification" (
	"id" uuid PRIMARY KEY NOT NULL,
	"erasure_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"provider_id" text,
	"outcome" text,
	"unknown_since" timestamp with time zone,
	"next_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone,
	CONSTRAINT "notification_kind" CHECK (kind IN ('received', 'completed')),
	CONSTRAINT "notification_state" CHECK (state IN ('pending', 'sent', 'skipped', 'failed', 'uncertain'))
);
--> statement-breakpoint
CREATE TABLE "lethe"."task" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "lethe"."task_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"erasure_id" uuid NOT NULL,
	"location" text NOT NULL,
	"kind" text NOT NULL,
	"action" text NOT NULL,
	"owner" text NOT NULL,
	"stage" integer NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	"pass" integer DEFAULT 1 NOT NULL,
	"rows_planned" bigint,
	"attempts" integer DEFAULT 0 NOT NULL,
	"last_error" text,
	"due_at" timestamp with time zone NOT NULL,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	CONSTRAINT "task_state" CHECK (state IN ('pending', 'running', 'awaiting', 'done', 'failed', 'retained')),
	CONSTRAINT "task_kind" CHECK (kind IN ('table', 'account'))
);
--> statement-breakpoint
ALTER TABLE "lethe"."chunk" ADD CONSTRAINT "chunk_task_id_task_id_fk" FOREIGN KEY ("task_id") REFERENCES "lethe"."task"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "lethe"."event" ADD CONSTRAINT "event_erasure_id_erasure_id_fk" FOREIGN KEY ("erasure_id") REFERENCES "lethe"."erasure"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "lethe"."idempotency" ADD CONSTRAINT "idempotency_erasure_id_erasure_id_fk" FOREIGN KEY ("erasure_id") REFERENCES "lethe"."erasure"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "lethe"."notification" ADD CONSTRAINT "notification_erasure_id_erasure_id_fk" FOREIGN KEY ("erasure_id") REFERENCES "lethe"."erasure"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "lethe"."task" ADD CONSTRAINT "task_erasure_id_erasure_id_fk" FOREIGN KEY ("erasure_id") REFERENCES "lethe"."erasure"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "chunk_number" ON "lethe"."chunk" USING btree ("task_id","pass","number");--> statement-breakpoint
CREATE INDEX "chunk_unfinished" ON "lethe"."chunk" USING btree ("task_id","pass","number") WHERE finished_at IS NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "erasure_one_live_per_account" ON "lethe"."erasure" USING btree ("account_key") WHERE state IN ('scheduled', 'running', 'awaiting', 'stalled');--> statement-breakpoint
CREATE INDEX "erasure_account_key" ON "lethe"."erasure" USING btree ("account_key");--> statement-breakpoint
CREATE INDEX "erasure_account_digest" ON "lethe"."erasure" USING btree ("account_digest");--> statement-breakpoint
CREATE INDEX "erasure_live_state" ON "lethe"."erasure" USING btree ("state","starts_at") WHERE state IN ('scheduled', 'running', 'awaiting', 'stalled');--> statement-breakpoint
CREATE INDEX "erasure_probe" ON "lethe"."erasure" USING btree ("probe_at") WHERE probe_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "erasure_unscrubbed" ON "lethe"."erasure" USING btree (coalesce(completed_at, cancelled_at)) WHERE scrubbed_at IS NULL AND state IN ('completed', 'cancelled');--> statement-breakpoint
CREATE INDEX "erasure_digest_kept" ON "lethe"."erasure" USING btree (coalesce(completed_at, cancelled_at)) WHERE scrubbed_at IS NOT NULL AND account_digest IS NOT NULL;--> statement-breakpoint
CREATE INDEX "event_erasure" ON "lethe"."event" USING btree ("erasure_id","id");--> statement-breakpoint
CREATE INDEX "idempotency_created" ON "lethe"."idempotency" USING btree ("created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "notification_once" ON "lethe"."notification" USING btree ("erasure_id","kind");--> statement-breakpoint
CREATE INDEX "notification_open" ON "lethe"."notification" USING btree ("next_at") WHERE state = 'pending';--> statement-breakpoint
CREATE UNIQUE INDEX "task_location" ON "lethe"."task" USING btree ("erasure_id","location");
CREATE TABLE `message` (
          `id` text PRIMARY KEY,
          `session_id` text NOT NULL,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `data` text NOT NULL,
          CONSTRAINT `fk_message_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE
        );
INSERT INTO "message" VALUES('msg_21f901065001vg3o6qxPcxZmeJ','ses_de070120dffeJYww60n5k79ASG',1795825864806,1795825993177,'{"role":"user","time":{"created":1795825864806},"agent":"build","model":{"providerID":"gw","modelID":"test-model"},"summary":{"diffs":[{"file":"app.py","patch":"Index: app.py\n===================================================================\n--- app.py\t\n+++ app.py\t\n@@ -1,6 +1,6 @@\n def greet(name):\n-    return \"hello \" + name\n+    return \"HELLO \" + name.upper()\n \n \n def part(name):\n     return \"bye \" + name\n","additions":1,"deletions":1,"status":"modified"}]}}');
INSERT INTO "message" VALUES('msg_21f909a7d001NWmEVdtJmdrnRn','ses_de070120dffeJYww60n5k79ASG',1795825900157,1795825948587,'{"parentID":"msg_21f901065001vg3o6qxPcxZmeJ","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795825900157,"completed":1795825948585},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f9157ec001h6UbJGzSdQbFKm','ses_de070120dffeJYww60n5k79ASG',1795825948652,1795825967839,'{"parentID":"msg_21f901065001vg3o6qxPcxZmeJ","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795825948652,"completed":1795825967838},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f91a2e600146RULF3T7Zc2Ww','ses_de070120dffeJYww60n5k79ASG',1795825967846,1795825981341,'{"parentID":"msg_21f901065001vg3o6qxPcxZmeJ","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795825967846,"completed":1795825981218},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f91d815001K07kZ5ckymN9HF','ses_de070120dffeJYww60n5k79ASG',1795825981461,1795825990167,'{"parentID":"msg_21f901065001vg3o6qxPcxZmeJ","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795825981461,"completed":1795825990165},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f91fa73001sV17M2DsxAGiJB','ses_de070120dffeJYww60n5k79ASG',1795825990259,1795825995016,'{"parentID":"msg_21f901065001vg3o6qxPcxZmeJ","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795825990259,"completed":1795825995015},"finish":"stop"}');
CREATE TABLE `part` (
          `id` text PRIMARY KEY,
          `message_id` text NOT NULL,
          `session_id` text NOT NULL,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `data` text NOT NULL,
          CONSTRAINT `fk_part_message_id_message_id_fk` FOREIGN KEY (`message_id`) REFERENCES `message`(`id`) ON DELETE CASCADE
        );
INSERT INTO "part" VALUES('prt_21f9013ee001xg1F7exm4AiH6a','msg_21f901065001vg3o6qxPcxZmeJ','ses_de070120dffeJYww60n5k79ASG',1795825897895,1795825898406,'{"type":"text","text":"Shout, and commit quietly."}');
INSERT INTO "part" VALUES('prt_21f9148a7001Yy75YN5562GBZt','msg_21f909a7d001NWmEVdtJmdrnRn','ses_de070120dffeJYww60n5k79ASG',1795825944743,1795825944906,'{"snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f91497f0019EoHi3h0LULDa5','msg_21f909a7d001NWmEVdtJmdrnRn','ses_de070120dffeJYww60n5k79ASG',1795825944959,1795825946205,'{"type":"tool","tool":"read","callID":"call_0_0","state":{"status":"completed","input":{"filePath":"/home/dev/shop/app.py"},"output":"<path>/home/dev/shop/app.py</path>\n<type>file</type>\n<content>\n1: def greet(name):\n2:     return \"hello \" + name\n3: \n4: \n5: def part(name):\n6:     return \"bye \" + name\n\n(End of file - total 6 lines)\n</content>","metadata":{"preview":"def greet(name):\n    return \"hello \" + name\n\n\ndef part(name):\n    return \"bye \" + name","truncated":false,"loaded":[],"display":{"type":"file","path":"/home/dev/shop/app.py","text":"def greet(name):\n    return \"hello \" + name\n\n\ndef part(name):\n    return \"bye \" + name","lineStart":1,"lineEnd":6,"totalLines":6,"truncated":false}},"title":"app.py","time":{"start":1795825945253,"end":1795825946199}}}');
INSERT INTO "part" VALUES('prt_21f91537c001dVHOXnuVD1eSMT','msg_21f909a7d001NWmEVdtJmdrnRn','ses_de070120dffeJYww60n5k79ASG',1795825947516,1795825947517,'{"reason":"tool-calls","snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f916ce3001AEq4dIBhjZpkn1','msg_21f9157ec001h6UbJGzSdQbFKm','ses_de070120dffeJYww60n5k79ASG',1795825954019,1795825954054,'{"snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f916d4d001CQzYdzS7xogFAv','msg_21f9157ec001h6UbJGzSdQbFKm','ses_de070120dffeJYww60n5k79ASG',1795825954125,1795825956035,'{"type":"tool","tool":"edit","callID":"call_1_0","state":{"status":"completed","input":{"filePath":"/home/dev/shop/app.py","oldString":"    return \"hello \" + name","newString":"    return \"HELLO \" + name.upper()"},"output":"Edit applied successfully.","metadata":{"diagnostics":{},"diff":"Index: /home/dev/shop/app.py\n===================================================================\n--- /home/dev/shop/app.py\n+++ /home/dev/shop/app.py\n@@ -1,6 +1,6 @@\n def greet(name):\n-    return \"hello \" + name\n+    return \"HELLO \" + name.upper()\n \n \n def part(name):\n     return \"bye \" + name\n","filediff":{"file":"/home/dev/shop/app.py","patch":"Index: /home/dev/shop/app.py\n===================================================================\n--- /home/dev/shop/app.py\n+++ /home/dev/shop/app.py\n@@ -1,6 +1,6 @@\n def greet(name):\n-    return \"hello \" + name\n+    return \"HELLO \" + name.upper()\n \n \n def part(name):\n     return \"bye \" + name\n","additions":1,"deletions":1},"truncated":false},"title":"app.py","time":{"start":1795825955228,"end":1795825955908}}}');
INSERT INTO "part" VALUES('prt_21f9187d2001gTPC100slNB4sr','msg_21f9157ec001h6UbJGzSdQbFKm','ses_de070120dffeJYww60n5k79ASG',1795825960914,1795825960915,'{"reason":"tool-calls","snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f91a2d6001K5MMnxWQu9ANFd','msg_21f9157ec001h6UbJGzSdQbFKm','ses_de070120dffeJYww60n5k79ASG',1795825967830,1795825967831,'{"type":"patch","hash":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","files":["/home/dev/shop/app.py"]}');
INSERT INTO "part" VALUES('prt_21f91bd66001UMQpPZdX6fgQsc','msg_21f91a2e600146RULF3T7Zc2Ww','ses_de070120dffeJYww60n5k79ASG',1795825974630,1795825974660,'{"snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f91bd86001d3MzuuedYF2vP9','msg_21f91a2e600146RULF3T7Zc2Ww','ses_de070120dffeJYww60n5k79ASG',1795825974662,1795825977851,'{"type":"tool","tool":"bash","callID":"call_2_0","state":{"status":"completed","input":{"command":"git commit -qam \"Shout quietly\"","description":"do it"},"output":"(no output)","metadata":{"output":"(no output)","exit":0,"truncated":false},"title":"git commit -qam \"Shout quietly\"","time":{"start":1795825975278,"end":1795825977826}}}');
INSERT INTO "part" VALUES('prt_21f91d14c001vLgaanUyboCwDe','msg_21f91a2e600146RULF3T7Zc2Ww','ses_de070120dffeJYww60n5k79ASG',1795825979725,1795825979726,'{"reason":"tool-calls","snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f91dea5001bFXghGYA9izDvB','msg_21f91d815001K07kZ5ckymN9HF','ses_de070120dffeJYww60n5k79ASG',1795825983141,1795825983142,'{"snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f91dea8001NYnxHLzYUoMb5v','msg_21f91d815001K07kZ5ckymN9HF','ses_de070120dffeJYww60n5k79ASG',1795825983144,1795825984038,'{"type":"tool","tool":"bash","callID":"call_3_0","state":{"status":"completed","input":{"command":"git log --oneline -1","description":"do it"},"output":"6f40cb0 Shout quietly\n","metadata":{"output":"6f40cb0 Shout quietly\n","exit":0,"truncated":false},"title":"git log --oneline -1","time":{"start":1795825983409,"end":1795825984025}}}');
INSERT INTO "part" VALUES('prt_21f91f342001Emv2po5zQjgPLn','msg_21f91d815001K07kZ5ckymN9HF','ses_de070120dffeJYww60n5k79ASG',1795825988418,1795825988420,'{"reason":"tool-calls","snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f920401001D41MT8PUMGNayF','msg_21f91fa73001sV17M2DsxAGiJB','ses_de070120dffeJYww60n5k79ASG',1795825992705,1795825992707,'{"snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f9204170016mmrDwUoGY1LUE','msg_21f91fa73001sV17M2DsxAGiJB','ses_de070120dffeJYww60n5k79ASG',1795825992727,1795825992807,'{"type":"text","text":"All done.","time":{"start":1795825992727,"end":1795825992805}}');
INSERT INTO "part" VALUES('prt_21f920abd001ZefWi27QgcMbYa','msg_21f91fa73001sV17M2DsxAGiJB','ses_de070120dffeJYww60n5k79ASG',1795825994429,1795825994430,'{"reason":"stop","snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
CREATE TABLE `session` (
          `id` text PRIMARY KEY,
          `project_id` text NOT NULL,
          `workspace_id` text,
          `parent_id` text,
          `slug` text NOT NULL,
          `directory` text NOT NULL,
          `path` text,
          `title` text NOT NULL,
          `version` text NOT NULL,
          `share_url` text,
          `summary_additions` integer,
          `summary_deletions` integer,
          `summary_files` integer,
          `summary_diffs` text,
          `metadata` text,
          `cost` real DEFAULT 0 NOT NULL,
          `tokens_input` integer DEFAULT 0 NOT NULL,
          `tokens_output` integer DEFAULT 0 NOT NULL,
          `tokens_reasoning` integer DEFAULT 0 NOT NULL,
          `tokens_cache_read` integer DEFAULT 0 NOT NULL,
          `tokens_cache_write` integer DEFAULT 0 NOT NULL,
          `revert` text,
          `permission` text,
          `agent` text,
          `model` text,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `time_compacting` integer,
          `time_archived` integer,
          CONSTRAINT `fk_session_project_id_project_id_fk` FOREIGN KEY (`project_id`) REFERENCES `project`(`id`) ON DELETE CASCADE
        );
INSERT INTO "session" VALUES('ses_de070120dffeJYww60n5k79ASG','50d3ab79f8799017fa025570f48d8227dc3250ea',NULL,NULL,'swift-falcon','/home/dev/shop','','t','1.18.33',NULL,0,0,0,NULL,NULL,0.0,3500,100,0,1500,0,NULL,'[{"permission":"question","pattern":"*","action":"deny"},{"permission":"plan_enter","pattern":"*","action":"deny"},{"permission":"plan_exit","pattern":"*","action":"deny"}]','build','{"id":"test-model","providerID":"gw","variant":"default"}',1795825855986,1795825995026,NULL,NULL);
